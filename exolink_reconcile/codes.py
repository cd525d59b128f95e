"""The stable words of errors and warnings: what each means, and what to do about it.

`INPUT` are those that reading the YAML can report: what `validate` shows, and the rules of its SARIF. `LATER` are the
others. A word is never given a second meaning and never taken back: people write rules and searches with them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Code(NamedTuple):
    """What a word means, and what to do about it; a sentence each."""

    means: str
    help: str


INPUT: Mapping[str, Code] = MappingProxyType(
    {
        "E-ALIAS": Code("A YAML alias is used.", "Write the value out, or put what entries share under `defaults`."),
        "E-ANCHOR": Code("A YAML anchor is used.", "Write the value out, or put what entries share under `defaults`."),
        "E-CONFLICT": Code(
            "Two places say things that cannot both hold: an object declared and removed, or a number given by name and by value.",
            "Keep one of the two.",
        ),
        "E-CREATE-ONLY": Code(
            "`createOnly` names something that is not a field of this kind.",
            "List fields of the kind; they are sent on create and never compared.",
        ),
        "E-DEFAULT": Code(
            "A key that names one single object stands in `defaults`.", "Move it into the entry it belongs to."
        ),
        "E-DEPTH": Code(
            "The YAML is nested deeper than this tool reads.", "Flatten it: no valid document is that deep."
        ),
        "E-DUPLICATE-ADDRESS": Code(
            "One object, or one field of a tenant, is declared or removed more than once.",
            "Keep one of the places; the message names both.",
        ),
        "E-DUPLICATE-ID": Code(
            "Two entries pin the same live id.", "An id belongs to one object: correct one of them."
        ),
        "E-DUPLICATE-KEY": Code("A key is given twice in one mapping or table.", "Keep one of them."),
        "E-EMPTY": Code(
            "A path holds no document at all.", "Name the right path: nothing declared is never read as nothing wanted."
        ),
        "E-ENCODING": Code("A file is not UTF-8.", "Save it as UTF-8."),
        "E-ENV": Code(
            "A reference to an environment variable is malformed, stands in a key, or its variable has no value.",
            "Write ${env:NAME} in a value and set NAME; a literal ${ is written $${.",
        ),
        "E-GLOB": Code("A pattern of `policy` can match no kind of object.", "Write KIND/NAME, such as charger/CP-*."),
        "E-KEY": Code("A key is a list or a mapping.", "Write the key as plain text."),
        "E-MERGE": Code("A YAML merge key is used.", "Put what entries share under `defaults`."),
        "E-NAME": Code(
            "A name is blank, or has characters that do not show or that change how it reads.",
            "Write it with visible characters; retype it where it was pasted.",
        ),
        "E-NO-PATH": Code(
            "No path was given, and there is neither exolink.yaml nor a folder exolink/.",
            "Name a file or a folder, or change into the folder that holds them.",
        ),
        "E-NULL": Code(
            "A key or value is empty or null.", "Leave the field out, or quote it where the text itself is meant."
        ),
        "E-PROFILE": Code(
            "A name is used that the tenant's table does not have.",
            "Add it to the table (`profiles`), or correct the name.",
        ),
        "E-PROTECTED": Code(
            "A removed or replaced object is protected by the policy.",
            "Unprotect it in one change, remove or replace it in the next.",
        ),
        "E-READ": Code("A path cannot be read.", "Check that it exists and that this user may read it."),
        "E-READ-ONLY": Code("A field is set that only the device or the server reports.", "Leave it out."),
        "E-REQUIRED": Code("Something required is missing.", "Add what the message names."),
        "E-SAME-NAME": Code(
            "Two names differ only in case, in spaces at their ends, or in the form of an accent.",
            "Rename one of them, so that nobody takes one for the other.",
        ),
        "E-SIZE": Code("A file is too large.", "Split it: a tenant may be spread over files."),
        "E-SYNTAX": Code("A file is not YAML.", "Correct the line that the message names; indent with spaces."),
        "E-TAG": Code("A YAML tag is used.", "Take it out: the field says what its value means."),
        "E-TENANT": Code("A tenant is listed under `removed`.", "Take it out: this tool never deletes a tenant."),
        "E-TYPE": Code("A value is not of the type that its field has.", "Write what the message asks for."),
        "E-UNKNOWN-KEY": Code(
            "A key is not known where it stands.", "Correct its spelling; the message names the nearest known key."
        ),
        "E-URL": Code(
            "A URL is not one of a WebSocket backend.",
            "Write ws://HOST/PATH or wss://HOST/PATH, with spaces and the like percent-encoded.",
        ),
        "W-EMPTY": Code(
            "A file of a folder holds no document and is skipped.", "Delete it, or write a document in it."
        ),
        "W-SECRET": Code("A password is written out in the YAML.", "Keep it in a variable: ${env:NAME}."),
    }
)

LATER: Mapping[str, Code] = MappingProxyType(
    {
        "E-AMBIGUOUS": Code("A write was sent and its outcome is not known.", "Run plan: it shows what is live now."),
        "E-ANSWER": Code("The API answered with a status that this request cannot have.", "Check --api-url."),
        "E-API-URL": Code("The address of the API is not one.", "Correct --api-url."),
        "E-APPLIED": Code("A saved plan has nothing left to do.", "Nothing: it was applied already."),
        "E-BAD-ANSWER": Code("The API gave a field twice.", "Report it to Exolink: the answer cannot be trusted."),
        "E-BAD-LIST": Code("A list of the API is not as it should be.", "Check --api-url, or report it to Exolink."),
        "E-BAD-TENANT": Code("The API answered for another tenant.", "Check --api-url, or report it to Exolink."),
        "E-BUG": Code("This tool has a bug.", "Run plan to see what is live, and report the command you ran."),
        "E-CA-FILE": Code("The file of certificates cannot be used.", "Correct --ca-file."),
        "E-CANNOT-UPDATE": Code(
            "The API offers no update of a field that differs.",
            "Revert it, list it in `createOnly`, or allow a replace, which gives the object a new id.",
        ),
        "E-CONTRACT": Code("The contract cannot be read, or does not offer a step.", "See `capabilities`."),
        "E-DELETES": Code(
            "More deletes than go without saying.", "Check them; then give their number: --allow-deletes N."
        ),
        "E-DENIED": Code("The API does not accept the token, or it may not do this.", "Give a token with the rights."),
        "E-DEPENDS": Code("Something that this step needs was not made.", "Mend that first."),
        "E-DUPLICATE-LIVE": Code("Two live objects have one name.", "Rename one in the web page, or pin an `id`."),
        "E-EDITED": Code("A plan file was changed after it was saved.", "Make a new one and have it reviewed."),
        "E-EMULATOR": Code("The emulator cannot run.", "See the message: its database, its address or its contract."),
        "E-INFERRED": Code(
            "A write is concluded from the documentation, not stated in it.",
            "Give --allow-inferred, or a --contract that documents it.",
        ),
        "E-INSECURE": Code("The token would travel in clear text.", "Use https://."),
        "E-INTERRUPTED": Code("The run was interrupted before this step.", "Run the same command again."),
        "E-LIMIT": Code("A value breaks a limit of the contract.", "Change the value in the YAML."),
        "E-LIST-BLIND": Code("What was created does not show up in the list.", "See `unknowns`; plan again later."),
        "E-LIST-SHRANK": Code("A list is empty that had rows before.", "If that is true: --allow-shrunk TENANT/KIND."),
        "E-LISTEN": Code("The address to listen on is not one.", "Write HOST:PORT."),
        "E-LOCKED": Code("Another apply holds the lock.", "Wait for it, or give --lock-timeout."),
        "E-MAX-SIZE": Code(
            "What a plan holds back, deletes and replaces does not fit into --max-size.",
            "Allow more, show it elsewhere, or make the change in smaller parts.",
        ),
        "E-NO-APPROVAL": Code("There is nobody to ask.", "Give --auto-approve, --plan or --expect."),
        "E-NO-LIST": Code("The API has no list of a kind.", "Check --api-url and the contract."),
        "E-NO-TENANT": Code("A tenant is not live.", "Check its name; the contract cannot create it."),
        "E-NORMALISED": Code("The API stores another value than was sent.", "Write the value that it stores."),
        "E-NOT-APPROVED": Code("The answer was not yes.", "Nothing was written."),
        "E-NOT-LIVE": Code("The id that an entry pins is not live.", "Correct `id`, or leave it out."),
        "E-NOT-SETTLED": Code("After the run something still differs.", "Plan again and look what does."),
        "E-ORIGIN": Code("A request would have gone to another place than the API.", "Check --api-url."),
        "E-OTHER-NAME": Code("The id of a removed entry is called otherwise live.", "Correct the id or the name."),
        "E-PINNED": Code("A pinned id stands in the way.", "Correct `id`, or leave it out."),
        "E-PLAN-FILE": Code("A file is not a saved plan.", "Make one with `plan --out FILE`."),
        "E-PUT-CLOBBERS": Code("An update clears what it does not send.", "Declare those fields too, or ask Exolink."),
        "E-REDIRECT": Code("The API answered with a redirect, which is never followed.", "Correct --api-url."),
        "E-PROXY": Code("The proxy that the environment names is no URL.", "Correct HTTPS_PROXY, or unset it."),
        "E-REJECTED": Code("The API refused a request.", "See its reason in the message."),
        "E-STALE": Code("What apply would do is not what was reviewed.", "Plan again and have that reviewed."),
        "E-STOPPED": Code("An earlier step of this kind went wrong, so this one was not sent.", "Mend that one first."),
        "E-STORAGE": Code("A local file cannot be written or read.", "Check --out and --state, and the disk."),
        "E-TARGET": Code("A pattern or address of an option matches nothing.", "Addresses are TENANT/KIND/NAME."),
        "E-TOKEN": Code("There is no usable token.", "Give --token-file or EXOLINK_TOKEN."),
        "E-TOO-LARGE": Code("An answer of the API is larger than this tool reads.", "Check --api-url."),
        "E-UNREACHABLE": Code("The API cannot be reached.", "Check the network and --api-url; try again later."),
        "E-UNREAD": Code("The effect of a write could not be read back.", "Plan again."),
        "E-UNVERIFIED": Code("A write was answered and could not be read back.", "Plan again."),
        "E-USAGE": Code("The command line is wrong.", "See --help."),
    }
)
