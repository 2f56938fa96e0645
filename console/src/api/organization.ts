const PLACE = 'farebox.organization';

/**
 * The organization that calls act in: kept by the browser, so that a new tab begins where the last
 * one was. Its id is no secret.
 */
export const chosenOrganization = {
  get(): string | null {
    return localStorage.getItem(PLACE);
  },
  set(id: string | null): void {
    if (id === null) localStorage.removeItem(PLACE);
    else localStorage.setItem(PLACE, id);
  },
};
