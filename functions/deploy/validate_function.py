#!/usr/bin/env python3
"""Checks the templates of folders that `floodway init function` wrote, as far as that goes without an account.

As validate.py: SAM by AWS's own transformation and cfn-lint, Terraform by its references. Both deploy the same, which is
what function.toml describes, and a caller may do nothing but call.

    pip install -r .ci/requirements.txt && functions/deploy/validate_function.py DIR...
"""

import sys
import tomllib
from pathlib import Path

import terraform_module
import validate
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

check = validate.check


def sam(folder):
    """What the SAM template deploys."""
    template = yaml_parse((folder / "template.yaml").read_text(encoding="utf-8"))
    properties = template["Resources"]["Function"]["Properties"]
    code = properties["CodeUri"]
    properties["CodeUri"] = "s3://bucket/package"
    parameters = {name: p["Default"] for name, p in template["Parameters"].items()}
    made = Translator({}, Parser()).translate(template, parameters)
    validate.lint(made)
    resources = made["Resources"].values()
    (function,) = (r["Properties"] for r in resources if r["Type"] == "AWS::Lambda::Function")
    (url,) = (r["Properties"] for r in resources if r["Type"] == "AWS::Lambda::Url")
    check(url["AuthType"] == "AWS_IAM", f"{folder}: SAM: the URL is not AWS_IAM")
    check(all(r["Type"] != "AWS::Lambda::Permission" for r in resources), f"{folder}: SAM: somebody else may call")
    (policy,) = (r["Properties"] for r in resources if r["Type"] == "AWS::IAM::ManagedPolicy")
    for statement in policy["PolicyDocument"]["Statement"]:
        check({statement["Action"]} <= validate.CALLS, f"{folder}: SAM: a caller may {statement['Action']}")
        check(statement["Resource"] == {"Ref": "FunctionAliaslive"}, f"{folder}: SAM: {statement['Resource']}")
    return {
        "name": parameters["Name"],
        "runtime": function["Runtime"],
        "handler": function["Handler"],
        "snapstart": function.get("SnapStart") == {"ApplyOn": "PublishedVersions"},
    }, code.rstrip("/")


def terraform(folder):
    """What the Terraform module deploys."""
    module = terraform_module.Module(folder, check)
    module.resolve()
    function = module.resources["aws_lambda_function.floodway"]
    url = module.resources["aws_lambda_function_url.live"]
    check(url["authorization_type"] == "AWS_IAM", f"{folder}: Terraform: the URL is not AWS_IAM")
    for statement in module.data["aws_iam_policy_document.caller"]["statement"]:
        check(set(statement["actions"]) <= validate.CALLS, f"{folder}: Terraform: {statement['actions']}")
        check(statement["resources"] == ["${aws_lambda_alias.live.arn}"], f"{folder}: Terraform: {statement}")
    archive = module.data.get("archive_file.function", {})
    code = archive.get("source_dir") or archive.get("source_file") or function["filename"]
    return {
        "name": module.variables["name"]["default"].strip('"'),
        "runtime": function["runtime"],
        "handler": function["handler"],
        "snapstart": "snap_start" in function,
    }, code.removeprefix("${path.module}/")


def main():
    for folder in map(Path, sys.argv[1:]):
        (by_sam, sam_code), (by_terraform, terraform_code) = sam(folder), terraform(folder)
        check(by_sam == by_terraform, f"{folder}: by SAM {by_sam}, by Terraform {by_terraform}")
        described = tomllib.loads((folder / "function.toml").read_text(encoding="utf-8"))
        check(by_sam["name"] == described["task"], f"{folder}: name {by_sam['name']}")
        check(by_sam["handler"] == described.get("handler", "bootstrap"), f"{folder}: handler")
        check(by_sam["runtime"].startswith(described["runtime"]), f"{folder}: runtime")
        check(by_sam["snapstart"] == (described["runtime"] == "java"), f"{folder}: SnapStart")
        if described["runtime"] == "provided":
            check(terraform_code == f"{sam_code}/bootstrap", f"{folder}: {sam_code}, {terraform_code}")
        else:
            check(sam_code == terraform_code == described["code"], f"{folder}: {sam_code}, {terraform_code}")


if __name__ == "__main__":
    main()
