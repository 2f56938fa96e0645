import { api } from '../api/client';
import { ApiError } from '../api/error';

type Ask = () => Promise<boolean>;

let ask: Ask = () => Promise.resolve(false);

/** Says how people are asked to prove once more who they are: resolves to whether they did. */
export function onProofNeeded(asking: Ask): void {
  ask = asking;
}

/**
 * Does something that only those may do who proved just now who they are. If the server asks for
 * the proof, the person gives it, and it is done again.
 */
export async function withProof<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'proof_required') throw error;
    if (!(await ask())) throw error;
    return act();
  }
}

/** Proves it with the password, or a code of the authenticator app. */
export async function prove(proof: { current_password: string } | { code: string }): Promise<void> {
  await api.POST('/api/sessions/current/proof', { body: proof });
}
