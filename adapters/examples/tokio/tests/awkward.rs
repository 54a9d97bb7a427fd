//! Storages that are slow, hang or fail late.

fn serve(
    listeners: Vec<std::net::TcpListener>,
    service: &std::sync::Arc<wharf_driver::Service>,
) -> std::io::Result<()> {
    wharf_tokio::serve(listeners.into_iter().map(Into::into).collect(), service)
}

wharf_awkward::cases!(serve);
