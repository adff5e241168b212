"""Pure: manifests and patches from what the user wrote."""
