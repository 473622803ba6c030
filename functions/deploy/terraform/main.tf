# Floodway's functions, by Terraform. Build them first (functions/README.md), then `terraform init`
# and `terraform apply` in this folder: docs/deploy.md says what it costs and how to remove it.

locals {
  functions = {
    python = {
      runtime   = "python3.13"
      handler   = "lambda_function.lambda_handler"
      code      = "${path.module}/../../python/dist/function.zip"
      snapstart = false
    }
    java = {
      runtime   = "java21"
      handler   = "floodway.Handler::handle"
      code      = "${path.module}/../../java/dist/function.jar"
      snapstart = true
    }
    rust = {
      runtime   = "provided.al2023"
      handler   = "bootstrap"
      code      = "${path.module}/../../rust/dist/function.zip"
      snapstart = false
    }
  }
}

resource "aws_lambda_function" "floodway" {
  for_each = local.functions

  function_name                  = "${var.prefix}-${each.key}"
  role                           = aws_iam_role.function.arn
  runtime                        = each.value.runtime
  handler                        = each.value.handler
  filename                       = each.value.code
  source_code_hash               = filebase64sha256(each.value.code)
  architectures                  = [var.architecture]
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = var.reserved_concurrency
  # What is called is the alias: SnapStart and provisioned concurrency need a published version.
  publish = true

  dynamic "snap_start" {
    for_each = each.value.snapstart ? [1] : []
    content {
      apply_on = "PublishedVersions"
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  depends_on = [aws_iam_role_policy_attachment.logs]
}

resource "aws_lambda_alias" "live" {
  for_each = local.functions

  name             = "live"
  function_name    = aws_lambda_function.floodway[each.key].function_name
  function_version = aws_lambda_function.floodway[each.key].version
}

resource "aws_lambda_function_url" "live" {
  for_each = local.functions

  function_name      = aws_lambda_function.floodway[each.key].function_name
  qualifier          = aws_lambda_alias.live[each.key].name
  authorization_type = "AWS_IAM"
}

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = "/aws/lambda/${var.prefix}-${each.key}"
  retention_in_days = var.log_days
}
