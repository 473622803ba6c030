# What the functions may do: write their log.
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
  name_prefix        = "${var.prefix}-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

# For whoever runs floodway: to call these functions, and nothing else.
data "aws_iam_policy_document" "caller" {
  statement {
    sid = "Invoke"
    # By name; and since October 2025 a function URL asks for it as well.
    actions   = ["lambda:InvokeFunction"]
    resources = [for alias in aws_lambda_alias.live : alias.arn]
  }

  statement {
    sid       = "InvokeUrl"
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [for alias in aws_lambda_alias.live : alias.arn]
    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }
}

resource "aws_iam_policy" "caller" {
  name_prefix = "${var.prefix}-caller-"
  description = "May call Floodway's functions, by name and by URL"
  policy      = data.aws_iam_policy_document.caller.json
}
