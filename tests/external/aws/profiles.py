"""What botocore reads of profile files: a JSON list of cases on standard input, a list of what it found out."""

import json
import os
import sys

import botocore.session


def read(case):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(case["variables"], AWS_EC2_METADATA_DISABLED="true")
    try:
        session = botocore.session.Session()
        keys = session.get_credentials()
        region = session.get_config_variable("region")
        service = None
        if case["service"]:
            client = session.create_client("lambda", region_name="us-east-1")
            service = client.meta.endpoint_url
    except Exception as error:
        return {"error": type(error).__name__}
    keys = keys and [keys.access_key, keys.secret_key, keys.token]
    return {"keys": keys, "region": region, "service": service}


print(json.dumps([read(case) for case in json.load(sys.stdin)]))
