/**
 * Limits the rate of calls: `show` is called at most every `interval` milliseconds, with the newest value, but
 * immediately if `isFinal` holds.
 */
export function throttled<T>(
  show: (value: T) => void,
  interval: number,
  isFinal: (value: T) => boolean,
): (value: T) => void {
  let shown = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let newest: T;
  const now = (): void => {
    clearTimeout(timer);
    timer = undefined;
    shown = performance.now();
    show(newest);
  };
  return (value) => {
    newest = value;
    const wait = shown + interval - performance.now();
    if (wait <= 0 || isFinal(value)) now();
    else timer ??= setTimeout(now, wait).unref();
  };
}
