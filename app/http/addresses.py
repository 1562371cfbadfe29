"""An address as an admin writes it down, before anybody asks where it leads."""


def refuse_odd(address: str) -> None:
    """Raise `ValueError`, for an admin, for what is not one whole plain address.

    Attack (T7): what is filled in later decides where a credential goes.
    """
    if "{{" in address or "{%" in address:
        raise ValueError("an address holds no templates: what varies is an input")
    if "#" in address:
        raise ValueError("this address may have no part after “#”")
    if not address.isascii() or not address.isprintable():
        raise ValueError("write the address in ASCII")
