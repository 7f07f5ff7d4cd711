"""Reading a study: its config checked against the schema, completed, and mistakes explained."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from finescale.errors import UserError, refuse_mistakes, suggestion

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# JSON Schema's types in the words of people who write YAML.
TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}


def parse_yaml(text: str) -> Any:
    """Parse YAML by libyaml where it is there, eight times as fast. yaml.YAMLError for mistakes."""
    try:
        return yaml.load(text, Loader=LOADER)
    except yaml.YAMLError:
        return yaml.safe_load(text)  # fails too, and its message shows the line


def compose_yaml(text: str) -> yaml.Node | None:
    """The nodes of a YAML document, which have every key that is written and its line."""
    return yaml.compose(text, Loader=LOADER)


def load_config(path: Path | str, schema: Path | str) -> dict[str, Any]:
    """Read, check and complete one config file. UserError with one line for each mistake."""
    try:
        config = parse_yaml(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such config file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    return complete_config(config, schema, str(path))


def complete_config(config: Any, schema: Path | str, name: str) -> dict[str, Any]:
    """Check `config` and return a copy in which every default of the schema is filled in.

    Raises UserError with one line for each mistake: the key, what was given, what is allowed.
    """
    completed = copy.deepcopy(config)
    errors = sorted(_validator(str(schema)).iter_errors(completed), key=lambda e: str(e.json_path))
    refuse_mistakes(name, (line for error in errors for line in _explain(error)))
    return completed


@cache
def _validator(schema_path: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    check_properties = Draft202012Validator.VALIDATORS["properties"]

    def fill_and_check(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator:
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(validator, properties, instance, schema)

    schema = parse_yaml(Path(schema_path).read_text())
    return extend(Draft202012Validator, {"properties": fill_and_check})(schema)


def _explain(error: Any) -> Iterator[str]:
    path = ".".join(str(part) for part in error.absolute_path) or "(top level)"
    if error.validator == "additionalProperties":
        for key in sorted(set(error.instance) - set(error.schema["properties"])):
            yield f"`{path}`: unknown key `{key}`{suggestion(key, error.schema['properties'])}"
    elif error.validator == "required":
        missing = sorted(set(error.validator_value) - set(error.instance))
        yield f"`{path}`: missing key{'s' * (len(missing) > 1)} {', '.join(missing)}"
    elif error.validator in ("type", "oneOf") and isinstance(error.instance, str):
        yield f"`{path}`: {error.instance!r} is text, {_allowed(error)} is needed{_exponent(error)}"
    elif error.validator == "enum":
        allowed = ", ".join(map(str, error.validator_value))
        yield f"`{path}`: {error.instance!r} is not one of: {allowed}"
    elif error.validator == "const":
        only = json.dumps(error.validator_value)
        yield f"`{path}`: {error.instance!r} cannot be used, only `{only}` is allowed"
    elif error.validator in ("minItems", "minProperties") and not error.instance:
        yield f"`{path}`: needs at least one {'key' if error.instance == {} else 'value'}"
    elif error.validator == "not":
        taken = ", ".join(error.validator_value["enum"])
        yield f"`{path}`: {error.instance!r} cannot be used (taken: {taken})"
    else:
        yield f"`{path}`: {error.message}"


def _allowed(error: Any) -> str:
    if error.validator == "oneOf":
        return "a number (or null)"
    allowed = error.validator_value
    return " or ".join(TYPES[each] for each in ([allowed] if isinstance(allowed, str) else allowed))


def _exponent(error: Any) -> str:
    """YAML 1.1 reads 1e-3 as text, because the dot is missing."""
    try:
        value = float(error.instance)
    except ValueError:
        return ""
    return f" (in YAML write {value:.1e} with a dot, without quotes)"
