"""Values to text: one file a format.

`FORMATS` names the formats of a plan, and for each the module whose `render` writes it. A module is imported when it is
used: `--help` needs the names, and must not wait for the rest.
"""

FORMATS = {
    "text": "text",
    "json": "plan_json",
    "markdown": "markdown",
    "github": "github",
    "html": "html",
    "gitlab": "gitlab",
}
