import { api, data } from '../api/client';
import type { Schemas } from '../api/types';

/** Whether this browser can use passkeys on this address: not on addresses of numbers. */
export function canUsePasskeys(): boolean {
  return (
    typeof PublicKeyCredential !== 'undefined' &&
    'parseRequestOptionsFromJSON' in PublicKeyCredential &&
    !/^[\d.]+$|^\[/.test(window.location.hostname)
  );
}

/** Signs in with a passkey: alone, or as the second step of the sign-in of that id. */
export async function signInWithPasskey(id?: string): Promise<Schemas['Session']> {
  const body = id === undefined ? {} : { id };
  const options = await data(api.POST('/api/sessions/passkey_options', { body }));
  const credential = await askBrowser(options.public_key);
  return data(api.POST('/api/sessions/passkey', { body: { ...body, credential } }));
}

async function askBrowser(publicKey: Record<string, never>): Promise<Record<string, never>> {
  const wanted = publicKey as unknown as PublicKeyCredentialRequestOptionsJSON;
  const credential = await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(wanted),
  });
  if (!(credential instanceof PublicKeyCredential)) throw new Error('no passkey was chosen');
  return credential.toJSON() as Record<string, never>;
}

/** Makes a passkey with this browser and adds it to the account. */
export async function makePasskey(name: string): Promise<Schemas['FactorAdded']> {
  const options = await data(api.POST('/api/me/passkeys/options', { body: {} }));
  const wanted = options.public_key as unknown as PublicKeyCredentialCreationOptionsJSON;
  const credential = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(wanted),
  });
  if (!(credential instanceof PublicKeyCredential)) throw new Error('no passkey was made');
  const body = { credential: credential.toJSON() as Record<string, never> };
  return data(api.POST('/api/me/passkeys', { body: name ? { ...body, name } : body }));
}
