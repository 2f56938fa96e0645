import { api, data } from '../../api/client';

/** How long a key lives that nobody revokes, as when the browser is closed. */
const LIFE_SECONDS = 3_600;
/** When it is too old to begin a call with. */
const FRESH_MS = 50 * 60 * 1_000;

interface Held {
  project: string;
  id: string;
  secret: string;
  madeAt: number;
}

/** A key for one page: made when it is first needed, in memory alone, revoked when the page ends. */
export class PageKey {
  private held: Held | null = null;

  /** The secret of a key of this project. */
  async of(project: string): Promise<string> {
    if (this.held?.project !== project || Date.now() - this.held.madeAt > FRESH_MS) {
      this.end();
      const made = await data(
        api.POST('/api/projects/{project_id}/keys', {
          params: { path: { project_id: project } },
          body: { name: 'Playground (console)', expires_in_seconds: LIFE_SECONDS },
        }),
      );
      this.held = { project, id: made.id, secret: made.value, madeAt: Date.now() };
    }
    return this.held.secret;
  }

  /** Revokes it. If that fails, it expires by itself. */
  end(): void {
    if (!this.held) return;
    const path = { project_id: this.held.project, key_id: this.held.id };
    this.held = null;
    void api
      .DELETE('/api/projects/{project_id}/keys/{key_id}', { params: { path }, keepalive: true })
      .catch(() => undefined);
  }
}
