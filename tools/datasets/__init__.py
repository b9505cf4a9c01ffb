"""Labelled pictures to train and measure with: class folders, Pascal VOC, COCO, MNIST."""
