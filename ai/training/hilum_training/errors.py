"""The one error of this package that a user is meant to read: shown as one line, without a traceback."""


class TrainingError(Exception):
    """Something the user can mend: a missing folder, an unreadable image, a run that diverged."""
