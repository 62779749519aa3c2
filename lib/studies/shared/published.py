"""What Maity et al. (2024) publish of the methods."""

# The settings of the public code of each method (Maity et al. 2024) where they are not those of SimCLR.
PUBLISHED = {
    "simclr": {},
    "simsiam": {
        "net": "resnet18",
        "pretrained": False,
        "head_out": 2048,
        "feature": "projection",
        "learning_rate": 0.06,
        "final_learning_rate": 0.0,
        "squared_learning_rate": False,
        "nesterov": False,
        "weight_decay": 0.0005,
        "clamp": False,
        "normalise": True,
        "augment": "simsiam",
    },
    "bcl": {
        "net": "resnet18",
        "epochs": 300,
        "learning_rate": 0.5,
        "final_learning_rate": 0.000001,
        "squared_learning_rate": False,
        "warmup_epochs": 10,
        "nesterov": False,
        "weight_decay": 0.0005,
        "temperature": 0.2,
        "clamp": False,
        "augment": "bcl",
    },
}
PRINTED = ("simsiam", "bcl")  # beside SimCLR the methods of which the paper prints TE and NIE
