-- Beside Dagster's own, which the image makes. Run once, when the volume is new.
CREATE DATABASE catalog;
CREATE DATABASE marquez;
