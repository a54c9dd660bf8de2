"""Documents that have brought GraphQL servers down: each has to be refused cheaply."""

from __future__ import annotations


def doubled_fragments(count: int = 28) -> str:
    """Each fragment spreads the next one twice under two names: 2^count fields from under 900 characters."""
    chain = "".join(f"fragment F{i} on T{{a{{...F{i + 1}}}b:a{{...F{i + 1}}}}}" for i in range(count))
    return f"{{a{{...F0}}}}{chain}fragment F{count} on T{{n}}"


def bare_doubled_fragments(count: int = 24) -> str:
    """The 874 characters that held a stock server for 22 seconds: the same fragment spread twice side by side."""
    chain = "".join(f"fragment F{i} on T{{...F{i + 1} ...F{i + 1}}}" for i in range(count))
    return f"{{a{{...F0}}}}{chain}fragment F{count} on T{{n}}"


def nested(field: str, levels: int, leaf: str) -> str:
    """A selection `levels` deep."""
    return "{" + (field + "{") * levels + leaf + "}" * levels + "}"


ATTACKS: dict[str, str] = {
    "doubled fragments": doubled_fragments(),
    "doubled fragments, side by side": bare_doubled_fragments(),
    "doubled fragments, too many": bare_doubled_fragments(2_000),
    "fragment cycle": "{a{...A}}fragment A on T{a{...B}}fragment B on T{a{...A}}",
    "fragment that spreads itself": "{...A}fragment A on Query{...A}",
    "fan of fragments": "{a{" + "...F " * 300 + "}}fragment F on T{n}",
    "10,000 aliases": "{" + " ".join(f"x{i}:__typename" for i in range(10_000)) + "}",
    "101 aliases": "{" + " ".join(f"x{i}:__typename" for i in range(101)) + "}",
    "aliases multiplied by fragments": "{"
    + " ".join(f"x{i}:a{{...F}}" for i in range(20))
    + "}fragment F on T{"
    + " ".join(f"y{i}:n" for i in range(20))
    + "}",
    "directive overload": "{__typename " + "@skip(if:false)" * 500 + "}",
    "unknown directives": "{__typename " + "@aa" * 10_000 + "}",
    "field duplication": "{" + "__typename " * 500 + "}",
    "field duplication under conflict": "{a{" + "n n:m " * 200 + "}}",
    "overlapping fields, deep": "{" + ("a{" + "a{" * 4 + "n n n n" + "}" * 4 + "}") * 19 + "}",
    "overlapping fragments": "{a{"
    + " ".join(f"...F{i}" for i in range(40))
    + "}}"
    + "".join(f"fragment F{i} on T{{a{{n m}}b:a{{n m}}}}" for i in range(40)),
    "deep introspection": nested("__schema{types{fields{type", 1, "fields{type{fields{type{name}}}}") + "}}}",
    "circular introspection": '{__type(name:"T"){fields{type{' + "fields{type{" * 8 + "name" + "}}" * 8 + "}}}}",
    "deep selection": nested("a", 200, "n"),
    "very deep selection": nested("a", 40_000, "n"),
    "brackets without end": "{a" * 50_000,
    "deep list in an argument": "{a(l:" + "[" * 5_000 + "]" * 5_000 + "){n}}",
    "deep object in an argument": "{a(o:" + "{o:" * 30 + "1" + "}" * 30 + "){n}}",
    "huge text": '{a(t:"' + "x" * 900_000 + '"){n}}',
    "huge block text": '{a(t:"""' + 'x" ' * 300_000 + '"""){n}}',
    "text without end": '{a(t:"' + '\\"' * 400_000,
    "huge number": "{a(i:" + "9" * 100_000 + "){n}}",
    "number of 5,000 digits": "{a(i:" + "9" * 5_000 + "){n}}",
    "wide list in an argument": "{a(l:[" + "1 " * 100_000 + "]){n}}",
    "comments only": "#\n" * 400_000 + "{__typename}",
    "one long comment": "#" + "x" * 900_000 + "\n{__typename}",
    "commas only": "{" + "," * 900_000 + "__typename}",
    "many operations": "".join(f"query Q{i}{{__typename}}" for i in range(1_000)),
    "many root fields": "{" + " ".join(f"a{i}:a{{n}}" for i in range(49)) + "}",
    "many mutations": "mutation{" + " ".join(f"a{i}:do" for i in range(40)) + "}",
    "many variables": "query(" + " ".join(f"$v{i}:Int" for i in range(300)) + "){__typename}",
    "many validation errors": "{"
    + " ".join(f"missing{i}" for i in range(19))
    + " a{"
    + " ".join(f"x{i}" for i in range(400))
    + "}}",
    "unknown fragments": "{" + " ".join(f"...U{i}" for i in range(400)) + "}",
    "not GraphQL": "}{" * 10_000,
    "control characters": "\x00" * 10_000,
}
