"""A photo classifier with LitServe and TensorFlow, in batches.

MODEL in the environment is the SavedModel's folder; the one argument is the port.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import litserve as ls
import numpy as np
from PIL import Image


class Classifier(ls.LitAPI):
    def setup(self, device: str) -> None:
        import tensorflow as tf

        self.tf = tf
        self.saved_model = tf.saved_model.load(os.environ["MODEL"])
        self.model = self.saved_model.signatures["serving_default"]
        self.input_name = next(iter(self.model.structured_input_signature[1]))
        self.predict(np.zeros((1, 224, 224, 3), np.float32))

    def decode_request(self, request: Mapping[str, Any]) -> np.ndarray:
        image = Image.open(request["photo"].file).convert("RGB").resize((224, 224))
        return np.asarray(image, np.float32) / 127.5 - 1

    def batch(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        answers = self.model(**{self.input_name: self.tf.constant(batch)})
        scores: np.ndarray = next(iter(answers.values())).numpy()
        return scores

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, scores: np.ndarray) -> dict[str, Any]:
        best = np.argsort(-scores)[:5]
        return {"predictions": [{"index": int(i), "score": float(scores[i])} for i in best]}


if __name__ == "__main__":
    api = Classifier(max_batch_size=8, batch_timeout=0.005)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
