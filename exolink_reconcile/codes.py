"""The stable codes of errors and warnings, and the exit codes: what each means, and what to do about it.

A code is never reused and never removed: people write rules and searches with it. A new code is one row of `Code`, from
which the table in the documentation, the rules of the SARIF report and `explain` are made.
"""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Exit(IntEnum):
    """How a run ends, in the order of care: where several apply, the first of them wins.

    `outcome` is the word of `apply --format json` for it.
    """

    means: str
    help: str
    outcome: str

    BUG = 1, "a bug in the tool", "report it; `plan` shows what is live", "bug"
    UNKNOWN = (
        9,
        "the outcome of at least one write is unknown",
        "run the same command again, with the same state, before anything else",
        "unknown",
    )
    STORAGE = 11, "local storage failed (`--out`, `--state`)", "disk space, rights", "storage_failed"
    LOCKED = 8, "the lock is held, or was lost", "let the other apply end, or `--lock-timeout`", "locked"
    DENIED = 10, "not authenticated, or not allowed", "another token; see `--token-file`", "denied"
    REFUSED = (
        7,
        "a guardrail or the user refused, nothing written",
        "the message names the option that allows it",
        "refused",
    )
    STALE = 6, "the plan is stale, nothing written", "plan again, have it reviewed", "stale"
    INCOMPLETE = (
        5,
        "apply incomplete: something failed, was skipped or is held back; all outcomes known",
        "read the summary, plan again",
        "incomplete",
    )
    NO_ANSWER = (
        4,
        "no usable answer from the API, nothing written",
        "try again later, check `--api-url`",
        "no_answer",
    )
    INVALID = (
        3,
        "input invalid (usage, YAML, contract, plan file), nothing sent",
        "fix the file or the command line",
        "invalid",
    )
    HANGUP = 129, "interrupted by SIGHUP, no write unknown; the journal is whole", "apply again", "interrupted"
    INTERRUPTED = 130, "interrupted by SIGINT, no write unknown; the journal is whole", "apply again", "interrupted"
    TERMINATED = 143, "interrupted by SIGTERM, no write unknown; the journal is whole", "apply again", "interrupted"
    DIFFERS = (
        2,
        "the plan has differences, held back included (`plan --detailed-exitcode` only)",
        "review it",
        "differs",
    )
    DONE = 0, "done and verified; no changes; plan shown", "", "complete"

    def __new__(cls, number: int, means: str = "", help: str = "", outcome: str = "") -> "Exit":
        """A member, which is its number."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.means, member.help, member.outcome = means, help, outcome
        return member

    @classmethod
    def worst(cls, exits: "Iterable[Exit]") -> "Exit":
        """The exit that asks for the most care; DONE if there is none."""
        order = tuple(cls)
        return min(exits, key=order.index, default=cls.DONE)

    @classmethod
    def of_signal(cls, number: int) -> "Exit":
        """The exit of a run that this signal stopped."""
        return cls(128 + number)


class _Row(NamedTuple):
    """A code's meaning and what to do about it, a sentence each; and how a run ends that fails with this code alone."""

    code: str
    means: str
    help: str
    exits: tuple[Exit, ...]
    reading: bool


def _input(code: str, means: str, help: str, *exits: Exit) -> _Row:
    """A code of a problem in the YAML: `validate` shows it, and its SARIF has a rule for it. `W-` is a warning."""
    return _Row(code, means, help, exits if code.startswith("W-") else (Exit.INVALID, *exits), reading=True)


def _later(code: str, means: str, help: str, *exits: Exit) -> _Row:
    """A code of anything that happens after the YAML was read."""
    return _Row(code, means, help, exits, reading=False)


class Code(StrEnum):
    """Every stable code: the string that users see, which is what a member is.

    `exits` says how a run ends that fails with it; none for a warning, which changes no exit code.
    """

    means: str
    help: str
    exits: tuple[Exit, ...]
    reading: bool

    # One line a code, sorted: that merges easily when several people add one.
    # fmt: off
    E_ALIAS = _input("E-ALIAS", "A YAML alias is used.", "Write the value out, or put what entries share under `defaults`.")
    E_ANCHOR = _input("E-ANCHOR", "A YAML anchor is used.", "Write the value out, or put what entries share under `defaults`.")
    E_CONFLICT = _input("E-CONFLICT", "Two places say things that cannot both hold: an object declared and removed, or a number given by name and by value.", "Keep one of the two.")
    E_CREATE_ONLY = _input("E-CREATE-ONLY", "`createOnly` names something that is not a field of this kind.", "List fields of the kind; they are sent on create and never compared.")
    E_DEFAULT = _input("E-DEFAULT", "A key that names one single object stands in `defaults`.", "Move it into the entry it belongs to.")
    E_DEPTH = _input("E-DEPTH", "The YAML is nested deeper than this tool reads.", "Flatten it: no valid document is that deep.")
    E_DUPLICATE_ADDRESS = _input("E-DUPLICATE-ADDRESS", "One object, or one field of a tenant, is declared or removed more than once.", "Keep one of the places; the message names both.")
    E_DUPLICATE_ID = _input("E-DUPLICATE-ID", "Two entries pin the same live id.", "An id belongs to one object: correct one of them.")
    E_DUPLICATE_KEY = _input("E-DUPLICATE-KEY", "A key is given twice in one mapping or table.", "Keep one of them.")
    E_EMPTY = _input("E-EMPTY", "A path holds no document at all.", "Name the right path: nothing declared is never read as nothing wanted.")
    E_ENCODING = _input("E-ENCODING", "A file is not UTF-8.", "Save it as UTF-8.")
    E_ENV = _input("E-ENV", "A reference to an environment variable is malformed, stands in a key, or its variable has no value.", "Write ${env:NAME} in a value and set NAME; a literal ${ is written $${.")
    E_GLOB = _input("E-GLOB", "A pattern of `policy` can match no kind of object.", "Write KIND/NAME, such as charger/CP-*.")
    E_KEY = _input("E-KEY", "A key is a list or a mapping.", "Write the key as plain text.")
    E_LINK = _input("E-LINK", "A link in a folder leads out of it, or a table stands outside of the folder of its YAML.", "Name what the link leads to as a PATH of its own, or move it inside.")
    E_MERGE = _input("E-MERGE", "A YAML merge key is used.", "Put what entries share under `defaults`.")
    E_NAME = _input("E-NAME", "A name is blank, or has characters that do not show or that change how it reads.", "Write it with visible characters; retype it where it was pasted.")
    E_NO_PATH = _input("E-NO-PATH", "No path was given, and there is neither exolink.yaml nor a folder exolink/, or both of them.", "Name a file or a folder, or change into the folder that holds them.")
    E_NULL = _input("E-NULL", "A key or value is empty or null.", "Leave the field out, or quote it where the text itself is meant.")
    E_PROFILE = _input("E-PROFILE", "A name is used that the tenant's table does not have.", "Add it to the table (`profiles`), or correct the name.")
    E_PROTECTED = _input("E-PROTECTED", "A removed or replaced object is protected by the policy.", "Unprotect it in one change, remove or replace it in the next.", Exit.REFUSED, Exit.INCOMPLETE)
    E_READ = _input("E-READ", "A path cannot be read.", "Check that it exists and that this user may read it.")
    E_READ_ONLY = _input("E-READ-ONLY", "A field is set that only the device or the server reports.", "Leave it out.")
    E_REQUIRED = _input("E-REQUIRED", "Something required is missing.", "Add what the message names.")
    E_SAME_NAME = _input("E-SAME-NAME", "Two names differ only in case, in blanks, or in the form of an accent.", "Write it as it is live, or rename one of them, so that nobody takes one for the other.", Exit.INCOMPLETE)
    E_SIZE = _input("E-SIZE", "A file, or all of them together, is too large.", "Split it: a tenant may be spread over files.")
    E_SYNTAX = _input("E-SYNTAX", "A file is not YAML.", "Correct the line that the message names; indent with spaces.")
    E_TABLE = _input("E-TABLE", "A CSV table is not well formed, or is named twice.", "Correct the row that the message names; quote a cell that holds the delimiter, a quote or a line break.")
    E_TAG = _input("E-TAG", "A YAML tag is used.", "Take it out: the field says what its value means.")
    E_TENANT = _input("E-TENANT", "A tenant is listed under `removed`.", "Take it out: this tool never deletes a tenant.")
    E_TYPE = _input("E-TYPE", "A value is not of the type that its field has.", "Write what the message asks for.")
    E_UNKNOWN_KEY = _input("E-UNKNOWN-KEY", "A key is not known where it stands.", "Correct its spelling; the message names the nearest known key.")
    E_URL = _input("E-URL", "A URL is not a WebSocket URL.", "Write ws://HOST/PATH or wss://HOST/PATH, with spaces and the like percent-encoded.")
    W_CONFUSABLE = _input("W-CONFUSABLE", "Two names look alike: some of their characters are different ones that look the same.", "Make sure that both are meant; copy the name from the one that is right.")
    W_EMPTY = _input("W-EMPTY", "A file of a folder holds no document and is skipped.", "Delete it, or write a document in it.")
    W_GLOB = _input("W-GLOB", "A glob of `policy` matches nothing, or has marks that mean nothing in a glob.", "Correct it: only `*` and `?` are special, and case counts.")
    W_INCOMPLETE = _input("W-INCOMPLETE", "An entry lacks what the API needs to create such an object.", "Write it in the entry.")
    W_SECRET = _input("W-SECRET", "A password, or what may be a secret of a URL, is written out in the YAML.", "Keep it in a variable: ${env:NAME}.")
    W_UNREAD = _input("W-UNREAD", "Something in a folder cannot be read: a link that leads nowhere, a file that is not regular, a folder that may not be entered.", "Take it away, or make it readable: --prune deletes nothing while something was not read.")
    W_UNUSED = _input("W-UNUSED", "Nothing uses it: a CSV file that no document names, or defaults of a document without that list.", "Name the file in `chargersFrom` or `cpmsFrom`, or move it away; move defaults beside their list.")

    E_AMBIGUOUS = _later("E-AMBIGUOUS", "A write was sent and its outcome is not known.", "Run plan: it shows what is live now.", Exit.UNKNOWN)
    E_ANSWER = _later("E-ANSWER", "The API answered with a status that this request cannot have.", "Check --api-url.", Exit.NO_ANSWER)
    E_API_URL = _later("E-API-URL", "The value of --api-url is not the address of an API.", "Correct --api-url.", Exit.INVALID)
    E_APPLIED = _later("E-APPLIED", "A saved plan has nothing left to do.", "Nothing: it was applied already.", Exit.STALE)
    E_BAD_ANSWER = _later("E-BAD-ANSWER", "The API answered with another object, with one of another tenant, or gave a field twice.", "Report it to Exolink: the answer cannot be trusted.", Exit.NO_ANSWER)
    E_BAD_LIST = _later("E-BAD-LIST", "A list of the API is not whole, has a row of another tenant, or is otherwise not as it should be.", "Check --api-url, or report it to Exolink.", Exit.NO_ANSWER)
    E_BAD_TENANT = _later("E-BAD-TENANT", "The API answered for another tenant.", "Check --api-url, or report it to Exolink.", Exit.NO_ANSWER)
    E_BUG = _later("E-BUG", "This tool has a bug.", "Run plan to see what is live, and report the command you ran.", Exit.BUG)
    E_CA_FILE = _later("E-CA-FILE", "The certificates that an option or variable names cannot be used.", "Correct --ca-file, SSL_CERT_FILE or SSL_CERT_DIR, whichever the message names.", Exit.INVALID)
    E_CANNOT_UPDATE = _later("E-CANNOT-UPDATE", "The API offers no update of a field that differs.", "Revert it, list it in `createOnly`, or allow a replace, which gives the object a new id.", Exit.INCOMPLETE)
    E_CONTRACT = _later("E-CONTRACT", "The contract cannot be read, or does not offer a step.", "See `capabilities`.", Exit.INVALID, Exit.INCOMPLETE)
    E_CONTRADICTED = _later("E-CONTRADICTED", "A list contradicts what the plan saw, so nothing more is written in that tenant.", "Plan again: the list that the plan was made from was not whole, or another hand writes at the same time.", Exit.INCOMPLETE)
    E_DELETES = _later("E-DELETES", "A plan has more deletes than are allowed without their number.", "Check them; then give the number: --allow-deletes N.", Exit.REFUSED)
    E_DENIED = _later("E-DENIED", "The API does not accept the token, or it may not do this.", "Give a token with the rights.", Exit.DENIED)
    E_DEPENDS = _later("E-DEPENDS", "Something that this step needs was not made.", "Fix that first.", Exit.INCOMPLETE)
    E_DUPLICATE_LIVE = _later("E-DUPLICATE-LIVE", "Two live objects have one name.", "Rename one in the web page, or pin an `id`.", Exit.INCOMPLETE)
    E_EDITED = _later("E-EDITED", "A plan file was changed after it was saved.", "Make a new one and have it reviewed.", Exit.STALE)
    E_EMULATOR = _later("E-EMULATOR", "The emulator cannot run.", "See the message: its database, its address or its contract.", Exit.INVALID)
    E_EXISTS = _later("E-EXISTS", "A file that would be written is there already.", "Name another place, or give --overwrite where the command has it.", Exit.INVALID)
    E_GATE = _later("E-GATE", "The gate between two stages let nothing more start.", "See what it printed; run the same command again to go on, or look at `history --run RUN --format yaml` to go back.", Exit.INCOMPLETE)
    E_INFERRED = _later("E-INFERRED", "A write is concluded from the documentation, not stated in it.", "Give --allow-inferred, or a --contract that documents it.", Exit.REFUSED)
    E_INSECURE = _later("E-INSECURE", "The token would travel in clear text.", "Use https://.", Exit.INVALID)
    E_INTERRUPTED = _later("E-INTERRUPTED", "The run was interrupted before this step.", "Run the same command again.", Exit.HANGUP, Exit.INTERRUPTED, Exit.TERMINATED)
    E_LIMIT = _later("E-LIMIT", "A value breaks a limit of the contract.", "Change the value in the YAML.", Exit.INVALID)
    E_LIST_BLIND = _later("E-LIST-BLIND", "What was created does not show up in the list.", "See `unknowns`; plan again later.", Exit.UNKNOWN)
    E_LIST_SHRANK = _later("E-LIST-SHRANK", "A list is empty that had rows before.", "If that is true: --allow-shrunk TENANT/KIND.", Exit.REFUSED)
    E_LISTEN = _later("E-LISTEN", "The value of --listen is not an address to listen on.", "Write HOST:PORT.", Exit.INVALID)
    E_LOCK_LOST = _later("E-LOCK-LOST", "The lock was lost while an apply worked.", "Another apply may be at work: see who holds it (`locks`), then apply again.", Exit.LOCKED)
    E_LOCKED = _later("E-LOCKED", "Another apply holds the lock.", "Wait for it, or give --lock-timeout.", Exit.LOCKED)
    E_MAX_SIZE = _later("E-MAX-SIZE", "What a plan holds back, deletes and replaces does not fit into --max-size.", "Allow more, show it elsewhere, or make the change in smaller parts.", Exit.INVALID)
    E_NO_APPROVAL = _later("E-NO-APPROVAL", "There is nobody to ask.", "Give --auto-approve, --plan or --expect.", Exit.INVALID)
    E_NO_BASE = _later("E-NO-BASE", "There is nothing to judge causes by.", "Give --base, or apply once without --only.", Exit.INVALID)
    E_NO_LIST = _later("E-NO-LIST", "The API has no list of a kind.", "Check --api-url and the contract.", Exit.NO_ANSWER)
    E_NO_TENANT = _later("E-NO-TENANT", "A tenant is not live.", "Correct `tenant` in the YAML, or --api-url: the contract cannot create one.", Exit.NO_ANSWER)
    E_NORMALISED = _later("E-NORMALISED", "The API stores another value than was sent.", "Write the value that it stores.", Exit.INCOMPLETE)
    E_NOT_APPROVED = _later("E-NOT-APPROVED", "The answer was not yes.", "Nothing was written.", Exit.REFUSED)
    E_NOT_LIVE = _later("E-NOT-LIVE", "The id that an entry pins is not live.", "Correct `id`, or leave it out.", Exit.INCOMPLETE)
    E_NOT_SETTLED = _later("E-NOT-SETTLED", "After the run something still differs.", "Plan again to see what.", Exit.INCOMPLETE)
    E_ORIGIN = _later("E-ORIGIN", "A request would have gone to another place than the API.", "Check --api-url.", Exit.NO_ANSWER)
    E_OTHER_NAME = _later("E-OTHER-NAME", "The object with the id of an entry has another name live.", "Correct the id or the name.", Exit.INCOMPLETE)
    E_PARTLY_READ = _later("E-PARTLY-READ", "Something in a folder was not read, and what it declares could be deleted by --prune.", "Take it away or make it readable; `validate` names it.", Exit.REFUSED)
    E_PINNED = _later("E-PINNED", "A pinned id stands in the way.", "Correct `id`, or leave it out.", Exit.INCOMPLETE)
    E_PLAN_FILE = _later("E-PLAN-FILE", "A file is not a saved plan.", "Make one with `plan --out FILE`.", Exit.INVALID)
    E_PLAN_ORIGIN = _later("E-PLAN-ORIGIN", "A saved plan is for another API than this run.", "Give --api-url if the plan's API is meant.", Exit.STALE)
    E_PROXY = _later("E-PROXY", "The proxy that the environment names cannot be used.", "Correct the variable that the message names, or unset it.", Exit.INVALID)
    E_PUT_CLOBBERS = _later("E-PUT-CLOBBERS", "An update clears what it does not send.", "Declare those fields too, or ask Exolink.", Exit.INCOMPLETE)
    E_REDIRECT = _later("E-REDIRECT", "The API answered with a redirect, which is never followed.", "Correct --api-url.", Exit.NO_ANSWER)
    E_REJECTED = _later("E-REJECTED", "The API refused a request.", "See its reason in the message.", Exit.NO_ANSWER, Exit.INCOMPLETE)
    E_STALE = _later("E-STALE", "What apply would do is not what was reviewed.", "Plan again and have that reviewed.", Exit.STALE, Exit.INCOMPLETE)
    E_STATE_UNSAFE = _later("E-STATE-UNSAFE", "The state is not what this tool made, or lies where others can change it.", "Keep it in a folder of your own outside of every checkout: --state DIR.", Exit.STORAGE)
    E_STOPPED = _later("E-STOPPED", "An earlier step of this kind went wrong, so this one was not sent.", "Fix that one first.", Exit.INCOMPLETE)
    E_STORAGE = _later("E-STORAGE", "A local file cannot be written or read.", "Check --out and --state, and the disk.", Exit.STORAGE)
    E_TARGET = _later("E-TARGET", "A pattern or address of an option matches nothing.", "Addresses are TENANT/KIND/NAME.", Exit.INVALID)
    E_TOKEN = _later("E-TOKEN", "There is no usable token; for `locks --break` (7): the tenant is not held with the token given.", "Give --token-file or EXOLINK_TOKEN; for `locks --break` the token that `locks` shows.", Exit.DENIED)
    E_TOO_LARGE = _later("E-TOO-LARGE", "An answer of the API is larger than this tool reads.", "Check --api-url.", Exit.NO_ANSWER)
    E_UNREACHABLE = _later("E-UNREACHABLE", "The API cannot be reached.", "Check the network and --api-url; try again later.", Exit.NO_ANSWER, Exit.INCOMPLETE)
    E_UNREACHABLE_CPMS = _later("E-UNREACHABLE-CPMS", "A backend that a CPMS would point at cannot be reached from here.", "Correct its url, or give --allow-unreachable ADDRESS where only the broker can reach it.", Exit.REFUSED)
    E_UNREAD = _later("E-UNREAD", "The effect of a write could not be read back.", "Plan again.", Exit.INCOMPLETE)
    E_UNVERIFIED = _later("E-UNVERIFIED", "A write was answered and could not be read back.", "Plan again.", Exit.INCOMPLETE, Exit.NO_ANSWER, Exit.UNKNOWN, Exit.DENIED)
    E_USAGE = _later("E-USAGE", "The command line is wrong.", "See --help.", Exit.INVALID)
    W_NOTHING_CLAIMED = _later("W-NOTHING-CLAIMED", "The option --prune was given, and no policy claims anything.", "Name in `exclusive` what may be pruned.")
    W_NOTHING_READ = _later("W-NOTHING-READ", "The options --target and --exclude leave nothing.", "Correct them: nothing was compared.")
    W_RECHECK = _later("W-RECHECK", "The API shows no single object of a kind, so only its list can be read right before a write.", "Let nobody else write to that kind while apply runs.")
    W_RENAME = _later("W-RENAME", "A new object looks like a live one under another name.", "Rename the live one in the web page, if the same is meant.")
    W_VARIABLE = _later("W-VARIABLE", "An environment variable starts with EXOLINK_ and belongs to no option.", "Correct its name, or unset it.")
    # fmt: on

    def __new__(
        cls, code: str, means: str = "", help: str = "", exits: tuple[Exit, ...] = (), reading: bool = False
    ) -> "Code":
        """A member, which is its string."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.means, member.help, member.exits, member.reading = means, help, exits, reading
        return member


# The codes that reading the YAML can report, by name.
READING = tuple(sorted(code for code in Code if code.reading))
