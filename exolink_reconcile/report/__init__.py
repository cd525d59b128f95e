"""Values to text: one file a format.

`FORMATS` names what a plan can be shown as, and the module whose `render` does it. A module is imported when it is
used: the names are needed for `--help`, which must not wait for the rest.
"""

FORMATS = {
    "text": "text",
    "json": "plan_json",
    "markdown": "markdown",
    "github": "github",
    "html": "html",
    "gitlab": "gitlab",
}
