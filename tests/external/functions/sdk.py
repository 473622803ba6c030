"""AWS's own client for Python invokes the function at argv[1]; what comes of it is printed as JSON.

argv[2] is the function's name or ARN, argv[3] the event; `--url` as the name posts to the function's URL.
"""

import json
import os
import sys

import boto3
import botocore
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

url, name, event = sys.argv[1:]
region = "us-east-1"
if name == "--url":
    credentials = botocore.session.get_session().get_credentials()
    url += "some%20path/?b=2&a=%C3%A9%20%26"
    request = AWSRequest("POST", url, data=event.encode())
    SigV4Auth(credentials, "lambda", region).add_auth(request)
    response = URLLib3Session().send(request.prepare())
    print(json.dumps({"status": response.status_code, "body": response.text}))
    sys.exit()
config = botocore.config.Config(retries={"total_max_attempts": 1})
client = boto3.client("lambda", endpoint_url=url, region_name=region, config=config)
try:
    answer = client.invoke(FunctionName=name, Payload=event, LogType="Tail")
    said = {
        "status": answer["StatusCode"],
        "body": json.loads(answer["Payload"].read()),
        "error": answer.get("FunctionError"),
        "log": answer["LogResult"],
        "version": answer["ExecutedVersion"],
    }
except botocore.exceptions.ClientError as error:
    response = error.response
    said = {"status": response["ResponseMetadata"]["HTTPStatusCode"], **response["Error"]}
    said["Reason"] = response.get("Reason")
print(json.dumps(said))
