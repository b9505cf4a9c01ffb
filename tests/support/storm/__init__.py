"""A storm: many clients load a real installation while its processes are killed and stopped."""
