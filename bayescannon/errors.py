"""What a user can mend: the errors that the command line prints as one line, and the warnings."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file, the star or the key and says what to do.
    The command line prints it and leaves with exit code 2.
    """


class DataWarning(UserWarning):
    """Something the user gave looks wrong, is named in one line, and is used all the same."""
