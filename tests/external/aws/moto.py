"""Sets moto up: functions, and users who may call them or not. Prints their keys as JSON."""

import io
import json
import sys
import urllib.request
import zipfile

import boto3

URL, REGION = sys.argv[1], "us-east-1"


def post(path, body):
    request = urllib.request.Request(URL + path, data=body.encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request).read()


def client(name):
    keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
    return boto3.client(name, region_name=REGION, endpoint_url=URL, **keys)


# Functions are not run, which would need docker: they answer what is queued for them.
post("/moto-api/config", json.dumps({"lambda": {"use_docker": False}}))
iam, functions = client("iam"), client("lambda")

trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
role = iam.create_role(
    RoleName="function", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
)
package = io.BytesIO()
with zipfile.ZipFile(package, "w") as file:
    file.writestr("handler.py", "def handler(event, context): return event\n")
function = functions.create_function(
    FunctionName="words",
    Runtime="python3.12",
    Role=role["Role"]["Arn"],
    Handler="handler.handler",
    Code={"ZipFile": package.getvalue()},
    Publish=True,
)
functions.create_alias(FunctionName="words", Name="live", FunctionVersion="1")

# moto calls the action lambda:Invoke, AWS calls it lambda:InvokeFunction.
keys = {}
for user, action in [("caller", "lambda:Invoke*"), ("reader", "lambda:GetFunction"), ("assumer", "sts:AssumeRole")]:
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    iam.put_user_policy(
        UserName=user,
        PolicyName="policy",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys[user] = [key["AccessKeyId"], key["SecretAccessKey"]]

# Roles that may call the functions or not, and who may assume them.
for name, action in [("bursting", "lambda:Invoke*"), ("reading", "lambda:GetFunction")]:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="policy",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    keys[name] = role["Role"]["Arn"]

arn = function["FunctionArn"]
parts = arn.split(":")
keys["arn"] = ":".join(parts[:7])

# From here on every request must be signed by somebody who may.
post("/moto-api/reset-auth", "0")
print(json.dumps(keys))
