"""What the environment gives, before it is judged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from app.settings import ring


@dataclass(frozen=True, kw_only=True)
class Given:
    """The values of settings, and where the encryption keys among them came from."""

    values: Mapping[str, str]
    keys_from: str
    trouble: str = ""
    """Why there are no keys, if they could not be had."""

    @classmethod
    def read(cls, names: Iterable[str], env: Mapping[str, str], prefix: str) -> Self:
        """Read all that is there; keys from wherever they are to come from."""
        values = {
            name: env[prefix + name.upper()].strip()
            for name in names
            if env.get(prefix + name.upper(), "").strip()
        }
        keys_from = ring.source(values)
        try:
            ring.refuse_several(values)
            if keys_from != ring.KEYS:
                values[ring.KEYS] = ring.read(keys_from, values[keys_from])
        except ring.NoKeysError as error:
            values.pop(ring.KEYS, None)
            return cls(values=values, keys_from=keys_from, trouble=str(error))
        return cls(values=values, keys_from=keys_from)

    def by_source(self, wrong: Mapping[str, str]) -> dict[str, str]:
        """Say what is wrong with the keys of the variable that they came by."""
        told = dict(wrong)
        if self.trouble:
            told.pop(ring.KEYS, None)
            told[self.keys_from] = f"is wrong: {self.trouble}"
        elif self.keys_from != ring.KEYS and ring.KEYS in told:
            told[self.keys_from] = told.pop(ring.KEYS)
        return told
