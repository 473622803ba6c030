#!/usr/bin/env python3
"""Checks the templates as far as that goes without an account.

SAM: transformed by aws-sam-translator, which is what AWS itself runs, and the CloudFormation that
comes of it by cfn-lint. Terraform: parsed, and every reference resolved; what only the provider's
schema knows (the names and types of a resource's arguments) is not checked here: `terraform validate`
does that. Both: handlers are those of the functions' function.toml, packages are where the builds put
them, both templates deploy the same, and a caller may do nothing but call.

    pip install -r .ci/requirements.txt && functions/deploy/validate.py
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

import terraform_module  # noqa: E402
from samtranslator.parser.parser import Parser  # noqa: E402
from samtranslator.translator.translator import Translator  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

HERE = Path(__file__).resolve().parent
FUNCTIONS = HERE.parent
PACKAGES = {
    "python": "python/dist/function.zip",
    "java": "java/dist/function.jar",
    "rust": "rust/dist/function.zip",
}
CALLS = {"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"}


def check(holds, what):
    if not holds:
        sys.exit(f"functions/deploy: {what}")


def sam():
    """What the SAM template deploys: by language, after AWS's own transformation."""
    path = HERE / "sam" / "template.yaml"
    template = yaml_parse(path.read_text(encoding="utf-8"))
    deployed = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        # `sam package` uploads what is at a path, and puts its place there.
        code = (path.parent / resource["Properties"]["CodeUri"]).resolve()
        deployed[name] = {"code": str(code.relative_to(FUNCTIONS))}
        resource["Properties"]["CodeUri"] = "s3://bucket/package"
    parameters = {name: p["Default"] for name, p in template["Parameters"].items()}
    made = Translator({}, Parser()).translate(template, parameters)
    lint(made)
    resources = made["Resources"]
    of_type = lambda kind: {n: r for n, r in resources.items() if r["Type"] == kind}  # noqa: E731
    for name, function in of_type("AWS::Lambda::Function").items():
        properties = function["Properties"]
        deployed[name] |= {
            "runtime": properties["Runtime"],
            "handler": properties["Handler"],
            "snapstart": properties.get("SnapStart") == {"ApplyOn": "PublishedVersions"},
            "architecture": properties["Architectures"] == [{"Ref": "Architecture"}],
            "memory": properties["MemorySize"] == {"Ref": "MemoryMB"},
            "timeout": properties["Timeout"] == {"Ref": "TimeoutSeconds"},
            "reserved": "ReservedConcurrency" in json.dumps(properties["ReservedConcurrentExecutions"]),
        }
    urls = of_type("AWS::Lambda::Url").values()
    check(len(urls) == len(deployed), "SAM: each function has a URL")
    check(all(u["Properties"]["AuthType"] == "AWS_IAM" for u in urls), "SAM: a URL is not AWS_IAM")
    aliases = set(of_type("AWS::Lambda::Alias"))
    check(not of_type("AWS::Lambda::Permission"), "SAM: somebody else may call the functions")
    (policy,) = of_type("AWS::IAM::ManagedPolicy").values()
    for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
        check({statement["Action"]} <= CALLS, f"SAM: a caller may {statement['Action']}")
        called = {resource["Ref"] for resource in statement["Resource"]}
        check(called == aliases, f"SAM: a caller may call {called}, expected {aliases}")
    return {name.removesuffix("Function").lower(): it for name, it in deployed.items()}


def lint(cloudformation):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(cloudformation, file)
        file.flush()
        # Not the script cfn-lint: it has the path of its interpreter in it, and target/parts may have been copied.
        run = "import sys; from cfnlint.runner import main; sys.exit(main())"
        command = [sys.executable, "-c", run, "--non-zero-exit-code", "informational"]
        status = subprocess.run([*command, "--", file.name]).returncode
        check(status == 0, "cfn-lint has something against what SAM makes of the template")


def main():
    by_sam = sam()
    by_terraform = terraform_module.read(HERE / "terraform", check)
    check(set(by_sam) == set(PACKAGES), f"SAM deploys {sorted(by_sam)}")
    for name, package in PACKAGES.items():
        check(by_sam[name]["code"] == package, f"SAM takes {name} from {by_sam[name]['code']}")
        check(by_sam[name] == by_terraform[name],
              f"{name} differs: by SAM {by_sam[name]}, by Terraform {by_terraform[name]}")
        described = tomllib.loads((FUNCTIONS / name / "function.toml").read_text(encoding="utf-8"))
        check(by_sam[name]["handler"] == described["handler"], f"{name}/function.toml: handler")
        check(by_sam[name]["runtime"].startswith(described["runtime"]), f"{name}: runtime")
        check(os.access(FUNCTIONS.parent / described["build"], os.X_OK), f"{name}: build")
        check(by_sam[name]["snapstart"] == (name == "java"), f"{name}: SnapStart")
        parameters = ("architecture", "memory", "timeout", "reserved")
        check(all(by_sam[name][p] for p in parameters), f"{name}: parameters {by_sam[name]}")
    print(f"SAM and Terraform deploy the same: {', '.join(sorted(by_sam))}")


if __name__ == "__main__":
    main()
