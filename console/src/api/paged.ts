import { useInfiniteQuery, type QueryKey } from '@tanstack/react-query';
import type { ListPage } from '../ui/Paged';

/** A page that says where the next one begins: by the last id, or by a cursor. */
type Continued<Row> = ListPage<Row> & { last_id?: string | null; next?: string | null };

interface PagedInput<Row> {
  key: QueryKey;
  read: (place: { after?: string }, signal: AbortSignal) => Promise<Continued<Row>>;
  enabled?: boolean;
  /** Read again so often, in milliseconds. */
  every?: number;
}

/** Any of the API's lists, page by page. */
export function usePaged<Row>({ key, read, enabled = true, every }: PagedInput<Row>) {
  return useInfiniteQuery({
    queryKey: key,
    enabled,
    ...(every !== undefined && { refetchInterval: every }),
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) => read(pageParam ? { after: pageParam } : {}, signal),
    getNextPageParam: (page) => (page.has_more ? (page.next ?? page.last_id) : undefined),
  });
}
