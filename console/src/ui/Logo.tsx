/** A coin above a fare box. Decoration: the name stands beside it. */
export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#0d6e63" />
      <rect x="8" y="15.5" width="16" height="10" rx="2.5" fill="#fff" />
      <rect x="11.5" y="18.5" width="9" height="2" rx="1" fill="#0d6e63" />
      <circle cx="16" cy="9.5" r="4" fill="#ffc94d" />
    </svg>
  );
}
