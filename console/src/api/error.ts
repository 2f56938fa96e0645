/** Why a call was refused, as the server puts it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** The HTTP status; 0 if no server answered. */
    readonly status: number,
    message: string,
    /** Which error it is: docs/errors.md lists them. */
    readonly code: string | null = null,
    /** What of the request is wrong: the name of a field. */
    readonly param: string | null = null,
    /** What to tell whoever runs the installation. */
    readonly requestId: string | null = null,
  ) {
    super(message);
  }

  static unreachable(): ApiError {
    return new ApiError(
      0,
      'The server cannot be reached, or takes too long. Check your connection, then try again.',
    );
  }

  static async of(response: Response): Promise<ApiError> {
    const requestId = response.headers.get('x-request-id');
    const body: unknown = await response.json().catch(() => null);
    const { error } = (body ?? {}) as { error?: Record<string, unknown> };
    const text = (value: unknown) => (typeof value === 'string' ? value : null);
    const message =
      text(error?.message) ?? `The server answered ${response.status} and did not say why.`;
    return new ApiError(response.status, message, text(error?.code), text(error?.param), requestId);
  }

  /** The session is over, or there never was one. */
  get isSignedOut(): boolean {
    return this.status === 401;
  }

  /** The person may not do this. */
  get isForbidden(): boolean {
    return this.status === 403;
  }
}

/** What a failed call says to people. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return 'Something in this page failed. Reload it; if that does not help, tell your operator.';
}
