"""claude-audit: what your Claude API logs cost, to the cent, and what each way of saving would really have saved."""

__version__ = "0.1.0"
