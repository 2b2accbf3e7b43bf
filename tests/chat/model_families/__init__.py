"""Model families and where their answers begin: for each a stand-in tokenizer with the published template, and a table
of what is to come out, written down as data (`table/*.toml`) from sources other than calibaudit.

`family(name)` gives all there is of one; `names()` lists them; `SHAPES` are the conversations of the table.
"""

from tests.chat.model_families.family import ANSWERS, SHAPES, SYSTEM, USERS, Family, family, messages, names

__all__ = ["ANSWERS", "SHAPES", "SYSTEM", "USERS", "Family", "family", "messages", "names"]
