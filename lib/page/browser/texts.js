// Draws generated texts, side by side.
globalThis.promptlossViews ??= {};
