"""What the task `calendar` is made of; docs/tasks/calendar.md is its data card."""
