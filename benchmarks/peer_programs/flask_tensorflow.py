"""A photo classifier with Flask and TensorFlow: one route, one model.

MODEL in the environment is the SavedModel's folder.
"""

import os

import numpy as np
import tensorflow as tf
from flask import Flask, Response, jsonify, request
from PIL import Image

app = Flask(__name__)
network = tf.saved_model.load(os.environ["MODEL"])
model = network.signatures["serving_default"]
input_name = next(iter(model.structured_input_signature[1]))


def classify(batch: np.ndarray) -> np.ndarray:
    scores: np.ndarray = next(iter(model(**{input_name: tf.constant(batch)}).values())).numpy()
    return scores


classify(np.zeros((1, 224, 224, 3), np.float32))


@app.post("/predict")
def predict() -> Response:
    image = Image.open(request.files["photo"].stream).convert("RGB").resize((224, 224))
    pixels = np.asarray(image, np.float32) / 127.5 - 1
    scores = classify(pixels[None])[0]
    best = np.argsort(-scores)[:5]
    return jsonify(predictions=[{"index": int(i), "score": float(scores[i])} for i in best])


@app.get("/ready")
def ready() -> str:
    return "ready"
