"""The entry point of the command: it answers `--version` before it imports anything."""

import os
import sys


def main() -> None:
    """Run the command and end the process with its exit code."""
    try:
        if sys.argv[1:] == ["--version"] and _show_version():
            return
        if sys.platform == "win32":  # it has other signals, locks and file modes, on which our safety depends
            print("error: exolink-reconcile needs Linux or macOS; on Windows, run it in WSL.", file=sys.stderr)
            sys.exit(3)
        # pydantic would look for plugins in every package that is installed here (40 ms), and run what it finds.
        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
        from exolink_reconcile.cli import commands

        commands.run(sys.argv[1:])
    except KeyboardInterrupt:  # while the modules are imported, before anything listens to signals
        sys.exit(130)


def _show_version() -> bool:
    """Show the version; False if that fails: then the command line tries again, and says why."""
    from exolink_reconcile import __version__

    try:
        sys.stdout.write(f"exolink-reconcile {__version__}\n")
        sys.stdout.flush()
    except (OSError, AttributeError):
        return False
    return True


if __name__ == "__main__":
    main()
