"""Reads the Terraform module: parses it, resolves its references, and says what it deploys."""

import re

import hcl2

# What needs no declaration.
BUILT_IN = {"path", "each", "count", "self", "terraform"}
REFERENCE = re.compile(r"(?<![\w.\"-])([a-z_][\w-]*)((?:\.[a-z_][\w-]*|\[[^\]]*\])+)")


def read(folder, check):
    """What the module deploys, by language."""
    module = Module(folder, check)
    module.resolve()
    function = module.resources["aws_lambda_function.floodway"]
    url = module.resources["aws_lambda_function_url.live"]
    check(url["authorization_type"] == "AWS_IAM", "Terraform: a URL is not AWS_IAM")
    check("aws_lambda_permission" not in str(module.resources), "Terraform: somebody else may call")
    for statement in module.data["aws_iam_policy_document.caller"]["statement"]:
        actions = statement["actions"]
        check(set(actions) <= {"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"},
              f"Terraform: a caller may {actions}")
        check(statement["resources"] == "${[for alias in aws_lambda_alias.live : alias.arn]}",
              f"Terraform: a caller may call {statement['resources']}")
    parameters = {
        "architecture": function["architectures"] == ["${var.architecture}"],
        "memory": function["memory_size"] == "${var.memory_mb}",
        "timeout": function["timeout"] == "${var.timeout_seconds}",
        "reserved": function["reserved_concurrent_executions"] == "${var.reserved_concurrency}",
    }
    for argument, key in (("runtime", "runtime"), ("handler", "handler"), ("filename", "code")):
        check(function[argument] == f"${{each.value.{key}}}", f"Terraform: {argument}")
    return {
        name: {**it, **parameters, "code": it["code"].removeprefix("${path.module}/../../")}
        for name, it in module.locals["functions"].items()
    }


class Module:
    """The blocks of a folder's files."""

    def __init__(self, folder, check):
        self.check = check
        self.resources, self.data, self.locals, self.variables = {}, {}, {}, {}
        self.blocks = []
        for path in sorted(folder.glob("*.tf")):
            with path.open(encoding="utf-8") as file:
                self.add(path.name, plain(hcl2.load(file)))

    def add(self, file, blocks):
        known = {"terraform", "provider", "variable", "locals", "data", "resource", "output"}
        self.check(set(blocks) <= known, f"{file}: blocks {set(blocks) - known}")
        for kind, several in blocks.items():
            for block in several:
                self.blocks.append((file, block))
                if kind == "variable":
                    self.variables |= block
                elif kind == "locals":
                    self.locals |= block
                elif kind in ("data", "resource"):
                    into = self.data if kind == "data" else self.resources
                    ((type_, named),) = block.items()
                    ((name, body),) = named.items()
                    self.check(f"{type_}.{name}" not in into, f"{file}: {type_}.{name} is there twice")
                    into[f"{type_}.{name}"] = body

    def resolve(self):
        """Everything that is referred to is there, and every variable is used."""
        used = set()
        for file, block in self.blocks:
            for text in strings(block):
                for expression in expressions(text):
                    used |= self.references(file, expression)
        unused = {f"var.{name}" for name in self.variables} - used
        self.check(not unused, f"Terraform: unused: {unused}")

    def references(self, file, expression):
        # What a `for` binds, and what stands in quotes, refers to nothing.
        bound = {name for names in re.findall(r"\bfor ([\w, ]+) in", expression)
                 for name in re.split(r", *", names)}
        expression = re.sub(r'"[^"]*"', '""', expression)
        used = set()
        for root, rest in REFERENCE.findall(expression):
            if root in bound or root in BUILT_IN:
                if root == "each" and (key := re.match(r"\.value\.(\w+)", rest)):
                    each = self.locals["functions"].values()
                    self.check(all(key[1] in it for it in each), f"{file}: each.value.{key[1]}")
                continue
            names = re.findall(r"\.([\w-]+)", rest)
            if root == "var":
                found = names[0] in self.variables
            elif root == "local":
                found = names[0] in self.locals
            elif root == "data":
                found = ".".join(names[:2]) in self.data
            else:
                found = f"{root}.{names[0]}" in self.resources
            self.check(found, f"{file}: {root}{rest} refers to nothing")
            used.add(f"{root}.{names[0]}")
        return used


def plain(value):
    """What python-hcl2 read, without its marks and quotes."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items() if k not in ("__is_block__", "__comments__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def strings(value):
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def expressions(text):
    """What stands in `${...}`, braces in it counted."""
    start = 0
    while (start := text.find("${", start)) >= 0:
        depth, end = 1, start + 2
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield text[start + 2 : end - 1]
        start = end
