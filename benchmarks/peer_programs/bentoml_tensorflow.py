"""A photo classifier with BentoML and TensorFlow, in batches.

MODEL in the environment is the SavedModel's folder. Each answer is a list, as a route that takes
batches has it.
"""

import os
from typing import Any

import bentoml
import numpy as np
from PIL import Image


@bentoml.service(traffic={"timeout": 120}, workers=1)
class Classifier:
    def __init__(self) -> None:
        import tensorflow as tf

        self.tf = tf
        self.saved_model = tf.saved_model.load(os.environ["MODEL"])
        self.model = self.saved_model.signatures["serving_default"]
        self.input_name = next(iter(self.model.structured_input_signature[1]))
        self.scores(np.zeros((1, 224, 224, 3), np.float32))

    def scores(self, batch: np.ndarray) -> np.ndarray:
        answers = self.model(**{self.input_name: self.tf.constant(batch)})
        scores: np.ndarray = next(iter(answers.values())).numpy()
        return scores

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=60_000, route="/predict")
    def predict(self, photo: list[Image.Image]) -> list[dict[str, Any]]:
        images = [image.convert("RGB").resize((224, 224)) for image in photo]
        batch = np.stack([np.asarray(image, np.float32) for image in images]) / 127.5 - 1
        answers = []
        for scores in self.scores(batch.astype(np.float32)):
            best = np.argsort(-scores)[:5]
            top = [{"index": int(i), "score": float(scores[i])} for i in best]
            answers.append({"predictions": top})
        return answers
