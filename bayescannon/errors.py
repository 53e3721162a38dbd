"""What a user can mend: the errors that the shell prints as one line."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file, the star or the key and says what to do.
    The shell prints it and leaves with exit code 2.
    """
