"""What the emulator lacks beside ECS and Step Functions, and the one way in which its parts are replaced."""
