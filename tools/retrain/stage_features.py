"""Features of each stage of a network, which help with blurred pictures.

The last layers of a network respond to large patterns with fine detail, which enlarged pictures
lack. There, earlier layers help. The validation pictures decide which features are used.
"""

from __future__ import annotations

import tensorflow as tf

layers = tf.keras.layers

KIND = "last, then the end of each stage"  # part of the digest of the features


def with_stages(model: tf.keras.Model) -> tf.keras.Model:
    """A model (b, h, w, 3) -> (b, d): its own features, then each stage's, globally averaged.

    model: (b, h, w, 3) -> (b, features). A stage is all layers between two reductions of the
    picture's size; its last activation gives the features. A model without stages is returned
    as it is.
    """
    ends: dict[int, tf.Tensor] = {}
    for layer in model.layers:
        if isinstance(layer, layers.ReLU | layers.Activation):
            shape = layer.output.shape
            if len(shape) == 4 and shape[1] and shape[1] > 1:
                ends[int(shape[1])] = layer.output
    earlier = [ends[side] for side in sorted(ends)[1:]]  # the smallest is the model's own
    if not earlier:
        return model
    means = [layers.GlobalAveragePooling2D()(maps) for maps in earlier]
    return tf.keras.Model(model.input, layers.Concatenate()([model.output, *means]))
