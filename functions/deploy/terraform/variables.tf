variable "prefix" {
  description = "The functions are called PREFIX-python, PREFIX-java and PREFIX-rust."
  type        = string
  default     = "floodway"
}

variable "architecture" {
  description = "arm64 is a fifth cheaper. The Rust package must have been built for the same one."
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
  description = "Environments that each function may have at once, and that no other may use: the bound on what a burst can cost. -1 reserves none. The account must keep 100 unreserved."
  type        = number
  default     = -1
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 14
}
