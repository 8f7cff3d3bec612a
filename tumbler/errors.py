"""The two ways a run ends early: a person's mistake (exit code 2) and a failure (exit code 1)."""


class UserError(ValueError):
    """Something the user can mend. The message is one line: where, what, which rule, what to do."""


class Failure(RuntimeError):
    """Something that broke although the input was right: a worker died, a disk is full."""
