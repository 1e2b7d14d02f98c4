"""What all fills stand on (the pin, replacing a part, runs, answers), and those beside ECS and Step Functions."""
