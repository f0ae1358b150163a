"""Policy files: read, written and imported from other tools."""
