"""An anchor-free one-stage detector.

Each 4x4-pixel cell predicts whether it holds an object's centre, its class and its box. The
probability of a centre is one for all classes, so an object is detected once, whatever its class.
"""

import tensorflow as tf

layers = tf.keras.layers

_FAINTEST = 6.0  # grey levels: contrast below this is grain
_PRIOR = -4.6  # initial log-odds of a centre in a cell: one in a hundred


def build(classes: int, channels: int = 1, width: float = 1.0) -> tf.keras.Model:
    """(b, h, w, channels) pixels 0..255 -> (b, h/4, w/4, 5 + classes) float32 raw output.

    h and w: multiples of 32. The output is 1 log-odds of a centre, 4 numbers of the box as in
    `boxes`, then the logits of the classes.
    """

    def wide(n: int) -> int:
        return max(8, round(n * width / 8) * 8)

    pixels = tf.keras.Input((None, None, channels))
    x = layers.Lambda(standardise, output_shape=(None, None, channels))(pixels)
    x = _conv(x, wide(16), kernel=5, stride=2)
    by4 = _conv(_conv(x, wide(32), stride=2), wide(32))
    by8 = _block(_conv(by4, wide(64), stride=2))
    by16 = _block(_conv(by8, wide(96), stride=2))
    by32 = _block(_conv(by16, wide(128), stride=2))
    x = _conv(_join(by32, by16), wide(96))
    x = _conv(_join(x, by8), wide(64))
    x = _conv(_join(x, by4, wide(48)), wide(48))
    bias = tf.constant_initializer([_PRIOR] + [0.0] * (4 + classes))
    output = layers.Conv2D(5 + classes, 1, bias_initializer=bias, dtype="float32")(x)
    return tf.keras.Model(pixels, output)


def standardise(pixels: tf.Tensor) -> tf.Tensor:
    """Normalise each picture to mean 0 and deviation about 1, whatever its exposure."""
    pixels = tf.cast(pixels, tf.float32)
    centred = pixels - tf.reduce_mean(pixels, axis=(1, 2, 3), keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=(1, 2, 3), keepdims=True)
    return centred * tf.math.rsqrt(variance + _FAINTEST**2)


class Norm(tf.keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation that trains with TensorFlow's fused operation.

    Keras uses several operations, which took half the time of a training step.
    """

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training:
            return super().call(x, training=False)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        for average, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average * self.momentum + now * (1 - self.momentum))
        return y


def _conv(x: tf.Tensor, channels: int, kernel: int = 3, stride: int = 1) -> tf.Tensor:
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(Norm(momentum=0.97)(x))


def _block(x: tf.Tensor) -> tf.Tensor:
    """A residual block."""
    channels = x.shape[-1]
    return layers.Add()([x, _conv(_conv(x, channels), channels)])


def _join(coarse: tf.Tensor, fine: tf.Tensor, channels: int | None = None) -> tf.Tensor:
    """Add the enlarged coarse grid to the fine one."""
    channels = channels or fine.shape[-1]
    coarse = layers.UpSampling2D(2)(_conv(coarse, channels, kernel=1))
    if fine.shape[-1] != channels:
        fine = _conv(fine, channels, kernel=1)
    return layers.Add()([coarse, fine])


def boxes(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The network's (..., 4) -> offset of the centre (..., 2) and size (..., 2), both in cells."""
    offset, size = values[..., :2], values[..., 2:]
    # 2 + : an untrained network guesses boxes of about 7 cells, an average size.
    return offset, tf.exp(tf.clip_by_value(2.0 + size, -3.0, 6.0))


def loss(output: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Focal loss of centres, distance-IoU of boxes, cross-entropy of classes; each box counts once.

    batch: images, then the grids of `targets.batch`
    """
    _, peak, box, class_id, weight = batch
    count = tf.maximum(tf.reduce_sum(weight), 1.0)
    centres = _focal(output[..., 0], peak) / count
    places = tf.reduce_sum(weight * _distance(output[..., 1:5], box)) / count
    classes = tf.nn.sparse_softmax_cross_entropy_with_logits(class_id, output[..., 5:])
    return centres + 2.0 * places + tf.reduce_sum(weight * classes) / count


def _focal(logits: tf.Tensor, peak: tf.Tensor) -> tf.Tensor:
    """CenterNet's focal loss: only the very centre is right, but errors near it cost less."""
    likely = tf.sigmoid(logits)
    right = tf.square(1 - likely) * tf.math.log_sigmoid(logits)
    wrong = (1 - peak) ** 4 * tf.square(likely) * tf.math.log_sigmoid(-logits)
    return -tf.reduce_sum(tf.where(peak >= 0.999, right, wrong))


def _distance(values: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """1 - IoU, plus the distance of the centres relative to the size of both: (b, r, c)."""
    offset, size = boxes(values)
    true_offset, true_size = box[..., :2], tf.maximum(box[..., 2:], 0.1)
    low = tf.minimum(offset - size / 2, true_offset - true_size / 2)
    high = tf.maximum(offset + size / 2, true_offset + true_size / 2)
    hull = high - low
    shared = tf.reduce_prod(tf.maximum(size + true_size - hull, 0.0), -1)
    union = tf.reduce_prod(size, -1) + tf.reduce_prod(true_size, -1) - shared
    apart = tf.reduce_sum(tf.square(offset - true_offset), -1)
    scale = tf.reduce_sum(tf.square(hull), -1)
    stretched = tf.reduce_sum(tf.abs(tf.math.log(size / true_size)), -1)
    return 1 - shared / (union + 1e-6) + apart / (scale + 1e-6) + 0.25 * stretched
