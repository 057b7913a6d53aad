"""`python -m claude_audit` is `claude-audit`."""

from claude_audit.commands import main

if __name__ == "__main__":
    main()
