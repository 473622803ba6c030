# The function in the cloud, by Terraform (or OpenTofu):
#
#     {{package}}
#     terraform init
#     terraform apply
#     aws lambda invoke --function-name "$(terraform output -raw arn)" --cli-binary-format raw-in-base64-out \
#       --payload '{"v":1,"task":"{{name}}","records":["tea,3,150"]}' /dev/stdout
#     terraform destroy      # removes everything

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80, < 7.0"
    }{{terraform_provider}}
  }
}

# Region and credentials come from the environment, as everywhere.
provider "aws" {}

variable "name" {
  description = "Name of the function."
  type        = string
  default     = "{{name}}"
}

variable "architecture" {
  description = "arm64 is a fifth cheaper. Compiled code must have been built for the same one."
  type        = string
  default     = "arm64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "The architecture is arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "CPU comes in proportion, and 1769 MB is one whole virtual CPU."
  type        = number
  default     = 1769
}

variable "timeout_seconds" {
  description = "More than a request ever takes; a function that hangs is billed for so long."
  type        = number
  default     = 15
}

variable "reserved_concurrency" {
  description = "Environments that the function may have at once, and that no other may use: the bound on what a burst can cost. -1 reserves none. The account must keep 100 unreserved."
  type        = number
  default     = -1
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 14
}
{{terraform_package}}
resource "aws_lambda_function" "floodway" {
  function_name                  = var.name
  role                           = aws_iam_role.function.arn
  runtime                        = "{{aws_runtime}}"
  handler                        = "{{handler}}"
  filename                       = {{terraform_file}}
  source_code_hash               = {{terraform_hash}}
  architectures                  = [var.architecture]
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  # What is called is the alias: SnapStart and provisioned concurrency need a published version.
  publish = true
{{terraform_snapstart}}
  environment {
    variables = { FLOODWAY_TASK = "{{name}}" }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  depends_on = [aws_iam_role_policy_attachment.logs]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.floodway.function_name
  function_version = aws_lambda_function.floodway.version
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.floodway.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_days
}

# What the function may do: write its log.
data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name_prefix        = "floodway-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

# For whoever runs floodway: to call this function, and nothing else.
data "aws_iam_policy_document" "caller" {
  statement {
    sid = "Invoke"
    # By name; and since October 2025 a function URL asks for it as well.
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_alias.live.arn]
  }

  statement {
    sid       = "InvokeUrl"
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [aws_lambda_alias.live.arn]
    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }
}

resource "aws_iam_policy" "caller" {
  name_prefix = "floodway-caller-"
  description = "May call the function ${var.name}, by name and by URL"
  policy      = data.aws_iam_policy_document.caller.json
}

output "arn" {
  description = "For --lambda"
  value       = aws_lambda_alias.live.arn
}

output "url" {
  description = "The same function, by URL"
  value       = aws_lambda_function_url.live.function_url
}

output "caller_policy_arn" {
  description = "Attach it to the user or role that runs floodway"
  value       = aws_iam_policy.caller.arn
}
