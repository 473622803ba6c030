output "arns" {
  description = "For `floodway run --lambda`"
  value       = { for name, alias in aws_lambda_alias.live : name => alias.arn }
}

output "urls" {
  description = "The same functions, by URL"
  value       = { for name, url in aws_lambda_function_url.live : name => url.function_url }
}

output "caller_policy_arn" {
  description = "Attach it to the user or role that runs floodway"
  value       = aws_iam_policy.caller.arn
}
