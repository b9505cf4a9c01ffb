"""Features of several depths: what a network sees in the small helps where pictures are blurred.

The last layers of a network look for large things made of fine detail; on pictures that were
enlarged, earlier ones tell more. Which serve better is for the validation pictures to say.
"""

import tensorflow as tf

layers = tf.keras.layers

KIND = "last, then the end of each stage"  # part of the digest of the features


def with_earlier(model: tf.keras.Model) -> tf.keras.Model:
    """(b, h, w, 3) -> (b, d): the model's own features first, then of each stage its mean map.

    model: (b, h, w, 3) -> (b, features). A stage is all layers between two reductions of the
    picture's size; its last activation speaks for it. A model without stages is given back.
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
