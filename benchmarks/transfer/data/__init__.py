"""Pictures to pretrain on and labelled sets to test on."""
