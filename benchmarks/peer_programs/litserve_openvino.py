"""A photo classifier with LitServe and OpenVINO.

In the environment: MODEL, the SavedModel's folder; PEER_BATCH, the most images at once;
PEER_WORKERS, processes with a model each; PEER_THREADS, threads of each (0: all cores);
PEER_PRECISION, of the arithmetic (none: OpenVINO's own choice). The one argument is the port.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import litserve as ls
import numpy as np

BATCH = int(os.environ.get("PEER_BATCH", "8"))
WORKERS = int(os.environ.get("PEER_WORKERS", "1"))
THREADS = int(os.environ.get("PEER_THREADS", "0"))
PRECISION = os.environ.get("PEER_PRECISION", "")


class Classifier(ls.LitAPI):
    def setup(self, device: str) -> None:
        import openvino

        cv2.setNumThreads(1)
        options: dict[str, str | int] = {"PERFORMANCE_HINT": "LATENCY"}
        if THREADS:
            options["INFERENCE_NUM_THREADS"] = THREADS
        if PRECISION:
            options["INFERENCE_PRECISION_HINT"] = PRECISION
        model = openvino.Core().compile_model(os.environ["MODEL"], "CPU", options)
        self.request = model.create_infer_request()
        self.predict(np.zeros((1, 224, 224, 3), np.float32))

    def decode_request(self, request: Mapping[str, Any]) -> np.ndarray:
        data = np.frombuffer(request["photo"].file.read(), np.uint8)
        image = cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), (224, 224))
        pixels: np.ndarray = image.astype(np.float32)
        pixels *= np.float32(1 / 127.5)
        pixels -= 1
        return pixels

    def batch(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, batch: np.ndarray) -> np.ndarray:
        single = batch.ndim == 3
        scores: np.ndarray = self.request.infer([batch[None] if single else batch])[0]
        return scores[0] if single else scores

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, scores: np.ndarray) -> dict[str, Any]:
        best = np.argsort(-scores)[:5]
        return {"predictions": [{"index": int(i), "score": float(scores[i])} for i in best]}


if __name__ == "__main__":
    api = Classifier(max_batch_size=BATCH, batch_timeout=0.005 if BATCH > 1 else 0.0)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
